// What a program outside the project sees of an installed weft; each folder beside this file builds it in its own way.
#include <cstdio>

#include <weft/weft.hpp>

int main() {
  weft::result<int> outcome = weft::failure(weft::errc::closed);
  if (outcome.error() != weft::errc::closed) return 1;
  std::puts("weft works here");
}
