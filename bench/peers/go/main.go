// The peer in Go, its standard library only. `peer NAME` measures one benchmark and prints its figures, "name value" a
// line; `peer serve-NAME` is the server of one, and prints its address.
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

const crowd = 1_000_000

type benchmark struct {
	threads int
	run     func()
}

var benchmarks = map[string]benchmark{
	"yield_1000":          {1, yield1000},
	"spawn_join_batch":    {2, spawnJoinBatch},
	"spawn_join_one":      {1, spawnJoinOne},
	"parked":              {2, parked},
	"sleepers":            {2, sleepers},
	"skynet_1m_ms":        {2, skynet1m},
	"channel_ping_pong_1": {1, channelPingPong("channel_ping_pong_1")},
	"channel_ping_pong_2": {2, channelPingPong("channel_ping_pong_2")},
	"channel_10x10_1":     {1, channel10x10("channel_10x10_1")},
	"channel_10x10_2":     {2, channel10x10("channel_10x10_2")},
	"select_2":            {1, select2},
	"select_1000":         {1, select1000},
	"mutex_uncontended":   {1, mutexUncontended},
	"mutex_contended_1":   {1, mutexContended("mutex_contended_1")},
	"mutex_contended_2":   {2, mutexContended("mutex_contended_2")},
	"serve-hello":         {1, serveHello},
	"serve-mixed":         {2, serveMixed},
}

func main() {
	if len(os.Args) > 1 {
		if chosen, known := benchmarks[os.Args[1]]; known {
			runtime.GOMAXPROCS(chosen.threads)
			chosen.run()
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: peer NAME, one of:")
	for name := range benchmarks {
		fmt.Fprintln(os.Stderr, "  "+name)
	}
	os.Exit(2)
}

func report(name string, value float64) {
	fmt.Printf("%s %g\n", name, value)
}

// timeBatches reports what one item takes, in units, of `batches` batches of `items`. One batch goes before,
// unmeasured.
func timeBatches(name string, unit time.Duration, batches, items int, batch func()) {
	batch()
	began := time.Now()
	for i := 0; i < batches; i++ {
		batch()
	}
	report(name, float64(time.Since(began))/float64(unit)/float64(batches*items))
}
