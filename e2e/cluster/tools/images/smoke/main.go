// Command smoke is the test client and server of bin/smoke: one static binary, several small roles.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const patience = 5 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: smoke serve ADDRESS | sidecar DIRECTORY | lookup NAME | get URL | postgres HOST:PORT | redis HOST:PORT")
	}
	switch role, target := args[0], args[1]; role {
	case "serve":
		return serve(target)
	case "sidecar":
		return sidecar(target)
	case "lookup":
		return lookup(target)
	case "get":
		return get(target)
	case "postgres":
		return postgres(target)
	case "redis":
		return redis(target)
	default:
		return fmt.Errorf("no role is called %q", role)
	}
}

// serve answers with what the sidecar has written, so that one request proves both containers.
func serve(address string) error {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		text, err := os.ReadFile(filepath.Join(os.Getenv("SMOKE_DIR"), "hello"))
		if err != nil {
			http.Error(w, "the sidecar has written nothing yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(text)
	})
	server := &http.Server{Addr: address, ReadHeaderTimeout: patience}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		<-stop.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func sidecar(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("hello from the sidecar\n"), 0o440); err != nil {
		return err
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	<-stop.Done()
	return nil
}

func lookup(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(addresses, " "))
	return nil
}

func get(url string) error {
	client := http.Client{Timeout: patience}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return err
	}
	fmt.Printf("%d %s", response.StatusCode, body)
	return nil
}

// postgres asks the server whether it speaks TLS: every PostgreSQL answers that with S or N.
func postgres(address string) error {
	answer, err := exchange(address, binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, 80877103), 1)
	if err != nil {
		return err
	}
	if answer != "S" && answer != "N" {
		return fmt.Errorf("no PostgreSQL answers at %s", address)
	}
	fmt.Println("PostgreSQL answers")
	return nil
}

// redis sends a PING: without a password the answer is -NOAUTH, which also proves a Redis.
func redis(address string) error {
	answer, err := exchange(address, []byte("PING\r\n"), 5)
	if err != nil {
		return err
	}
	if answer != "-NOAU" && answer != "+PONG" {
		return fmt.Errorf("no Redis answers at %s", address)
	}
	fmt.Println("Redis answers")
	return nil
}

func exchange(address string, question []byte, want int) (string, error) {
	connection, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := connection.Write(question); err != nil {
		return "", err
	}
	answer := make([]byte, want)
	_, err = io.ReadFull(bufio.NewReader(connection), answer)
	return string(answer), err
}
