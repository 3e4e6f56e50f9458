/* Prints the table of gateway/http/characters.c as plain numbers: cbmc does not understand ranges in initialisers. */
#include <stdio.h>

#include "gateway/http/characters.h"

int main(void)
{
	printf("const uint8_t char_classes[256] = {");
	for (int i = 0; i < 256; i++)
		printf("%s%d,", i % 16 == 0 ? "\n\t" : " ", char_classes[i]);
	printf("\n};\n");
	return 0;
}
