#pragma once

/// All of weft. A program that wants shorter builds includes the headers it uses instead.

#include <weft/base/check.hpp>
#include <weft/base/error.hpp>
#include <weft/base/result.hpp>
#include <weft/observe/format.hpp>
#include <weft/observe/recorder.hpp>
