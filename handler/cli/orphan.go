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
func withHost(ctx context.Context, std *streams) (context.Context, *streams) {
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
	return ctx, &streams{in: std.in, out: &read{std.out, gone}, err: &read{std.err, gone}}
}

// read is an output that somebody reads, or else is gone.
type read struct {
	io.Writer
	gone func()
}

func (w *read) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		w.gone()
	}
	return n, err
}
