"""RFC.md: each row says whether it is met, and the cases and tests that it names exist."""
import glob
import os
import re

from cases import DATA, read_blocks

ROOT = os.path.dirname(os.path.dirname(DATA))
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "RFC.md")


def rows():
    with open(FILE, encoding="utf-8") as file:
        for line in file:
            if re.match(r"\| [0-9C]", line):
                yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def blocks():
    return {f"{os.path.relpath(file, DATA)[:-4]}: {block.name}"
            for file in glob.glob(os.path.join(DATA, "*", "*.txt")) for block in read_blocks(file)}


def is_test(reference):
    path, _, name = reference.partition("::")
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return re.search(rf"^(def|static void) {name}\(", file.read(), re.M) is not None


def test_every_row_says_what_becomes_of_it_and_where_that_is_shown():
    known, wrong = blocks(), []
    for section, asked, verdict, where in rows():
        references = re.findall(r"`([^`]+)`", where)
        if not re.match(r"(met|refused)\b", verdict) or not references:
            wrong.append(f"{section} {asked}: {verdict}, {where}")
        if "refused" in verdict and len(verdict.split("refused", 1)[1].split()) < 4:
            wrong.append(f"{section} {asked}: refused, and why?")
        wrong += [f"{section} {asked}: {one} does not exist" for one in references
                  if not (is_test(one) if "::" in one else one in known)]
    assert not wrong, "\n" + "\n".join(wrong)


def test_both_specifications_are_there_as_a_whole():
    sections = [section for row in rows() for section in row[0].split(", ")]
    assert len(sections) > 100 and {"7.6.3", "15.6.6", "2.2", "11.2"} <= set(sections)
