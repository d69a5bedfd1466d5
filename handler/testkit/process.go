package testkit

import (
	"os/exec"
	"testing"
)

// Long marks a test that takes long by doing the same many times, or by what other
// processes do: under the race detector, where -short is given, it shows nothing more.
func Long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("long")
	}
}

// Start starts a process that ends with the test, and with the test's own process
// however that ends: nothing is left behind. done is closed when it has ended, and
// cmd.ProcessState is set then.
func Start(t *testing.T, cmd *exec.Cmd) (done <-chan struct{}) {
	t.Helper()
	dieWithUs(cmd)
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return ended
}
