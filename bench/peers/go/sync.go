package main

import (
	"reflect"
	"runtime"
	"sync"
	"time"
)

const exchanges = 200_000

// channelPingPong hands a value there and back, over channels without room.
func channelPingPong(name string) func() {
	return func() {
		timeBatches(name, time.Nanosecond, 5, exchanges, func() {
			there, back := make(chan int), make(chan int)
			go func() {
				for value := range there {
					back <- value
				}
				close(back)
			}()
			for i := 0; i < exchanges; i++ {
				there <- i
				<-back
			}
			close(there)
			<-back
		})
	}
}

// channel10x10 has ten senders, ten receivers and room for 128.
func channel10x10(name string) func() {
	return func() {
		timeBatches(name, time.Nanosecond, 10, exchanges, func() {
			values := make(chan int, 128)
			var senders, receivers sync.WaitGroup
			senders.Add(10)
			receivers.Add(10)
			for i := 0; i < 10; i++ {
				go func() {
					for range values {
					}
					receivers.Done()
				}()
				go func() {
					for value := 0; value < exchanges/10; value++ {
						values <- value
					}
					senders.Done()
				}()
			}
			senders.Wait()
			close(values)
			receivers.Wait()
		})
	}
}

func mutexUncontended() {
	var guard sync.Mutex
	count := 0
	timeBatches("mutex_uncontended", time.Nanosecond, 10, 10*exchanges, func() {
		for i := 0; i < 10*exchanges; i++ {
			guard.Lock()
			count++
			guard.Unlock()
		}
	})
}

// mutexContended has 1,000 contenders that yield inside.
func mutexContended(name string) func() {
	return func() {
		const contenders, rounds = 1000, 20
		timeBatches(name, time.Nanosecond, 10, contenders*rounds, func() {
			var guard sync.Mutex
			var all sync.WaitGroup
			all.Add(contenders)
			for i := 0; i < contenders; i++ {
				go func() {
					for round := 0; round < rounds; round++ {
						guard.Lock()
						runtime.Gosched()
						guard.Unlock()
					}
					all.Done()
				}()
			}
			all.Wait()
		})
	}
}

func select2() {
	ready, empty := make(chan int, 1), make(chan int, 1)
	timeBatches("select_2", time.Nanosecond, 10, exchanges, func() {
		for i := 0; i < exchanges; i++ {
			ready <- i
			select {
			case <-ready:
			case <-empty:
			}
		}
	})
}

func select1000() {
	const selects = 1000
	cases := make([]reflect.SelectCase, 1000)
	channels := make([]chan int, len(cases))
	for i := range cases {
		channels[i] = make(chan int, 1)
		cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(channels[i])}
	}
	timeBatches("select_1000", time.Microsecond, 5, selects, func() {
		for i := 0; i < selects; i++ {
			channels[i*5%len(channels)] <- i
			reflect.Select(cases)
		}
	})
}
