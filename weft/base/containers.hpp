#pragma once

#include <map>
#include <set>
#include <vector>

namespace weft {

// With _GLIBCXX_DEBUG libstdc++ gives its containers another layout, in the program that defines it and not in a
// library that was built before. So what weft's classes hold, and what weft's functions return, are the containers of
// namespace plain: those of std, or with that macro the ones that std's are made of there, which are laid out as the
// library knows them. A std::vector of the program's is made of one by `std::vector<T> mine(yours)`, and given to one
// by assignment.
#if defined(_GLIBCXX_DEBUG)
namespace plain = std::_GLIBCXX_STD_C;
#else
namespace plain = std;
#endif

}  // namespace weft
