// The peer of /hello: Go's net/http, as its users write it.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
)

func main() {
	address := flag.String("address", "127.0.0.1:8090", "where to listen")
	flag.Parse()
	http.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "Hello world!")
	})
	log.Fatal(http.ListenAndServe(*address, nil))
}
