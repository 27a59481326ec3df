// Command pause is the sandbox process of every pod: it holds the pod's namespaces and waits to be
// told to go. It must do nothing else.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}
