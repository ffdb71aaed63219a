#pragma once

/// All of weft. A program that wants shorter builds includes the headers it uses instead.

#include <weft/base/accounting.hpp>
#include <weft/base/check.hpp>
#include <weft/base/clock.hpp>
#include <weft/base/error.hpp>
#include <weft/base/intrusive_list.hpp>
#include <weft/base/random.hpp>
#include <weft/base/result.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/io/byte_stream.hpp>
#include <weft/io/endpoint.hpp>
#include <weft/io/file_call.hpp>
#include <weft/io/run.hpp>
#include <weft/io/tcp.hpp>
#include <weft/observe/format.hpp>
#include <weft/observe/recorder.hpp>
#include <weft/stack/context.hpp>
#include <weft/stack/overflow.hpp>
#include <weft/stack/stack_pool.hpp>
