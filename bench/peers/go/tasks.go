package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

func yield1000() {
	const yielders, rounds = 1000, 10_000
	timeBatches("yield_1000", time.Nanosecond, 2, yielders*rounds, func() {
		var all sync.WaitGroup
		all.Add(yielders)
		for i := 0; i < yielders; i++ {
			go func() {
				for round := 0; round < rounds; round++ {
					runtime.Gosched()
				}
				all.Done()
			}()
		}
		all.Wait()
	})
}

func spawnJoinBatch() {
	timeBatches("spawn_join_batch", time.Nanosecond, 3, crowd, func() {
		var all sync.WaitGroup
		all.Add(crowd)
		for i := 0; i < crowd; i++ {
			go all.Done()
		}
		all.Wait()
	})
}

func spawnJoinOne() {
	const oneByOne = 200_000
	timeBatches("spawn_join_one", time.Nanosecond, 5, oneByOne, func() {
		for i := 0; i < oneByOne; i++ {
			var one sync.WaitGroup
			one.Add(1)
			go one.Done()
			one.Wait()
		}
	})
}

func residentBytes() float64 {
	file, err := os.Open("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	var all, resident int
	if _, err := fmt.Fscan(file, &all, &resident); err != nil {
		panic(err)
	}
	return float64(resident * os.Getpagesize())
}

// parked lets a crowd wait on one channel: what each keeps in memory, and what it takes to wake and join them all.
func parked() {
	values := make(chan int)
	var arrived atomic.Int64
	var all sync.WaitGroup
	before := residentBytes()
	all.Add(crowd)
	for i := 0; i < crowd; i++ {
		go func() {
			arrived.Add(1)
			<-values
			all.Done()
		}()
	}
	for arrived.Load() != crowd {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	report("parked_bytes", (residentBytes()-before)/crowd)
	began := time.Now()
	close(values)
	all.Wait()
	report("wake_join", float64(time.Since(began).Nanoseconds())/crowd)
}

func sleepers() {
	late := make([]float64, crowd)
	began := time.Now()
	var all sync.WaitGroup
	all.Add(crowd)
	for i := range late {
		each := &late[i]
		go func() {
			began := time.Now()
			time.Sleep(time.Second)
			*each = (time.Since(began) - time.Second).Seconds() * 1000
			all.Done()
		}()
	}
	all.Wait()
	wall := time.Since(began)
	sort.Float64s(late)
	report("sleepers_p99_ms", late[crowd*99/100])
	report("sleepers_wall_s", wall.Seconds())
}

func skynet(up chan<- int, first, count int) {
	if count == 1 {
		up <- first
		return
	}
	results := make(chan int, 10)
	for i := 0; i < 10; i++ {
		go skynet(results, first+i*(count/10), count/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-results
	}
	up <- sum
}

func skynet1m() {
	timeBatches("skynet_1m_ms", time.Millisecond, 3, 1, func() {
		result := make(chan int, 1)
		skynet(result, 0, crowd)
		if <-result != crowd*(crowd-1)/2 {
			panic("skynet has lost a leaf")
		}
	})
}
