// Command network is a proxy in front of a registry, with the limits of a network: a rate for each connection, a rate for
// all of them, and a delay for each request. It prints its address, and on SIGTERM how many requests it has forwarded, and
// how many bytes of answers.
//
// The kernel paces each connection (SO_MAX_PACING_RATE).
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// soMaxPacingRate is SO_MAX_PACING_RATE of Linux on x86-64 and arm64.
const soMaxPacingRate = 47

var (
	registry   = flag.String("registry", "", "`address` of the registry")
	connection = flag.Int("connection", 0, "bytes per second of each connection; 0 for no limit")
	client     = flag.Int("client", 0, "bytes per second of all connections; 0 for no limit")
	delay      = flag.Duration("delay", 0, "delay of each request")

	requests atomic.Int64
	answers  atomic.Int64
	link     sync.Mutex
	free     time.Time
)

func main() {
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		fmt.Println(requests.Load(), answers.Load())
		os.Exit(0)
	}()
	for {
		accepted, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(accepted.(*net.TCPConn))
	}
}

func serve(downstream *net.TCPConn) {
	defer downstream.Close()
	upstream, err := net.Dial("tcp", *registry)
	if err != nil {
		log.Print(err)
		return
	}
	defer upstream.Close()
	if *connection > 0 {
		raw, err := downstream.SyscallConn()
		if err != nil {
			log.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soMaxPacingRate, *connection); err != nil {
				log.Fatal(err)
			}
		})
	}
	// What the client sends after a response begins a request. Each is small enough for one read.
	var answered atomic.Bool
	answered.Store(true)
	go func() {
		defer upstream.(*net.TCPConn).CloseWrite()
		buffer := make([]byte, 64<<10)
		for {
			length, err := downstream.Read(buffer)
			if length > 0 {
				if answered.Swap(false) {
					requests.Add(1)
					time.Sleep(*delay)
				}
				if _, err := upstream.Write(buffer[:length]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	buffer := make([]byte, 256<<10)
	for {
		length, err := upstream.Read(buffer)
		answered.Store(true)
		answers.Add(int64(length))
		if *client > 0 {
			occupy(length)
		}
		if _, err := downstream.Write(buffer[:length]); err != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// burst is how long the link of the client may send at once what it could have sent before. Otherwise the time between two
// reads would be lost, and one connection would not fill the link.
const burst = 20 * time.Millisecond

// occupy waits until the link of the client has sent so many bytes.
func occupy(bytes int) {
	link.Lock()
	now := time.Now()
	if earliest := now.Add(-burst); free.Before(earliest) {
		free = earliest
	}
	free = free.Add(time.Duration(bytes) * time.Second / time.Duration(*client))
	wait := free.Sub(now)
	link.Unlock()
	if wait > time.Millisecond {
		time.Sleep(wait)
	}
}
