package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// orphanAfter is how often is looked whether the host is still there.
const orphanAfter = time.Second

// withHost is ctx until the host that started this process is gone: it ends without a
// word to its handler. A run then commits what it has. Output that nobody reads any more
// is one sign of it, and does not end the process by itself.
func withHost(ctx context.Context, std *stdio) (context.Context, *stdio) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, gone := context.WithCancel(ctx)
	parent := os.Getppid()
	go func() {
		tick := time.NewTicker(orphanAfter)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		gone()
	}()
	return ctx, &stdio{in: std.in, out: &heard{std.out, gone}, err: &heard{std.err, gone}}
}

// heard is an output that somebody reads; when nobody does, gone is called.
type heard struct {
	io.Writer
	gone func()
}

func (w *heard) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.gone()
	}
	return n, err
}
