/* A library in C that waits through a function that it was given, as one does for reading and writing. It knows nothing
   of weft but by the folders it is compiled with. */
#include <errno.h>
#include <stdlib.h>

int fails_after(void (*wait)(void*), void* with);
int keeps_over(void (*wait)(void*), void* with, int number);

int fails_after(void (*wait)(void*), void* with) {
  errno = 0;
  wait(with);
  strtol("99999999999999999999", NULL, 10);
  return errno;
}

int keeps_over(void (*wait)(void*), void* with, int number) {
  errno = number;
  wait(with);
  return errno;
}
