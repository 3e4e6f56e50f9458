/* A test removes the folder that it made. */
#ifndef TESTS_UNIT_REMOVE_FOLDER_H
#define TESTS_UNIT_REMOVE_FOLDER_H

#include <ftw.h>
#include <stdio.h>

static int remove_one(const char *path, const struct stat *is, int type, struct FTW *where)
{
	(void)is, (void)type, (void)where;
	return remove(path);
}

static inline int remove_folder(const char *path)
{
	return nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
