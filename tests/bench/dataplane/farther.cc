// The first code of a program, and does nothing: all that is linked behind it stands so many bytes
// farther on. Functions begin at multiples of 16 bytes, cache lines at multiples of 64.
#if defined(__GNUC__) && QSPLIT_FARTHER_BYTES != 0
#define QSPLIT_TEXT_OF(bytes) ".pushsection .text\n.skip " #bytes ", 0\n.popsection\n"
#define QSPLIT_TEXT(bytes) QSPLIT_TEXT_OF(bytes)
__asm__(QSPLIT_TEXT(QSPLIT_FARTHER_BYTES));
#endif
