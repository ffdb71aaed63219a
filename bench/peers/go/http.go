package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// serve listens on a free port and says which.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

func answer(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, text)
}

func serveHello() {
	http.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { answer(w, "Hello world!") })
	serve()
}

// burn computes: `rounds` steps that each wait for the one before.
func burn(rounds uint64) uint64 {
	x := uint64(88172645463325252)
	for ; rounds > 0; rounds-- {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// serveMixed has a route that waits 10 ms and one that computes, as many rounds as the argument says.
func serveMixed() {
	rounds, err := strconv.ParseUint(os.Args[2], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/wait", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(10 * time.Millisecond)
		answer(w, "waited")
	})
	http.HandleFunc("/burn", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, strconv.FormatUint(burn(rounds), 10))
	})
	serve()
}
