"""The charts of a result, as SVG by hand: bars of CPU per request beside the peers, and curves of cost against size."""
import math

COLOURS = {"relay": "#b8bec7", "haproxy": "#6b8fb5", "nginx": "#7fb5a6", "h2o": "#c9b27c", "gateway": "#d1495b"}
INK, FAINT, GRID = "#24292f", "#6e7781", "#e4e7eb"
FONT = "-apple-system, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"


def text(x, y, words, size=12, anchor="start", colour=INK, weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">{words}</text>'


def line(x1, y1, x2, y2, colour=GRID, width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def picture(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}" '
            f'font-family="{FONT}">\n<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n")


def bars(shapes):
    """CPU per request of everyone as a multiple of haproxy's."""
    width, left, right, bar, gap, top = 860, 250, 800, 11, 16, 84
    shown = [shape for shape in shapes.values() if "haproxy" in shape["rows"]]
    values = [(shape, [(name, row.get("x haproxy", [1, 1, 1])) for name, row in shape["rows"].items()]) for shape in shown]
    most = min(2.5, max(high for _, rows in values for _, (_, _, high) in rows)) * 1.05

    def across(value):
        return left + min(value, most) / most * (right - left)

    bottom = top + sum(len(rows) * bar + gap for _, rows in values)
    parts = [text(24, 30, "CPU per request, haproxy = 1", 17, weight="600"),
             text(24, 50, "shorter is better; the thin line is where 95 % of bootstrapped medians lie", 12, colour=FAINT)]
    x = left
    for name, colour in COLOURS.items():
        parts += [f'<rect x="{x}" y="60" width="11" height="11" rx="2" fill="{colour}"/>', text(x + 16, 70, name, 12)]
        x += 40 + 8 * len(name)
    for tick in range(int(most / 0.25) + 1):
        parts += [line(across(tick / 4), top, across(tick / 4), bottom, FAINT if tick == 4 else GRID),
                  text(across(tick / 4), bottom + 16, f"{tick / 4:g}", 11, "middle", FAINT)]
    y = top + gap / 2
    for shape, rows in values:
        title, _, rest = shape["title"].partition(", ")
        middle = y + len(rows) * bar / 2
        parts += [text(left - 14, middle + (-1 if rest else 5), title, 13, "end", weight="600")]
        parts += [text(left - 14, middle + 14, rest, 11, "end", FAINT)] if rest else []
        for name, (value, low, high) in rows:
            is_ours = name == "gateway"
            parts += [f'<rect x="{left}" y="{y:.1f}" width="{across(value) - left:.1f}" height="{bar - 2}" rx="1.5" fill="{COLOURS[name.partition(" ")[0]]}"/>',
                      line(across(low), y + bar / 2 - 1, across(high), y + bar / 2 - 1, INK),
                      text(max(across(high), across(value)) + 6, y + bar - 2, f"{value:.2f}", 10.5, colour=INK if is_ours else FAINT,
                           weight="700" if is_ours else "normal")]
            y += bar
        y += gap
    return picture(width, bottom + 30, parts)


def curve_panel(x, y, width, height, curve):
    """One curve: CPU and instructions, each as a multiple of the smallest size's."""
    rows = curve["points"]
    first = rows[0]
    most = max(1.5, *(max(row["x"][2], row["instructions"] / first["instructions"]) for row in rows)) * 1.08
    largest = math.log10(max(rows[-1]["size"], 10))
    smallest = math.log10(next(row["size"] for row in rows if row["size"] > 0)) - (0.7 if first["size"] == 0 else 0)

    def across(size):
        return x + (0 if size == 0 else (math.log10(size) - smallest) / (largest - smallest) * width)

    def down(value):
        return y + height - value / most * height

    parts = [text(x, y - 14, curve["title"], 13, weight="600")]
    step = 0.5 if most < 4 else 1
    for tick in range(int(most / step) + 1):
        parts += [line(x, down(tick * step), x + width, down(tick * step)), text(x - 8, down(tick * step) + 4, f"{tick * step:g}", 11, "end", FAINT)]
    for row in rows:
        parts += [text(across(row["size"]), y + height + 17, f"{row['size']:,}", 11, "middle", FAINT)]
    for colour, of in ((COLOURS["haproxy"], lambda row: row["instructions"] / first["instructions"]), (COLOURS["gateway"], lambda row: row["x"][0])):
        points = [(across(row["size"]), down(of(row))) for row in rows]
        parts.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" fill="none" stroke="{colour}" stroke-width="2.2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.6" fill="{colour}" stroke="#ffffff" stroke-width="1"/>' for a, b in points]
    for row in rows:
        parts.append(line(across(row["size"]), down(row["x"][1]), across(row["size"]), down(row["x"][2]), COLOURS["gateway"], 1.2))
    return parts


def curves(all_curves):
    width, panel_width, panel_height = 860, 340, 150
    parts = [text(24, 30, "Cost against size, the smallest = 1", 17, weight="600"),
             f'<rect x="24" y="42" width="11" height="11" rx="2" fill="{COLOURS["gateway"]}"/>', text(40, 52, "CPU time per request, with 95 % bounds"),
             f'<rect x="290" y="42" width="11" height="11" rx="2" fill="{COLOURS["haproxy"]}"/>', text(306, 52, "user instructions per request (callgrind)")]
    for number, curve in enumerate(all_curves.values()):
        parts += curve_panel(62 + number % 2 * 420, 104 + number // 2 * 230, panel_width, panel_height, curve)
    return picture(width, 104 + (len(all_curves) + 1) // 2 * 230 - 36, parts)
