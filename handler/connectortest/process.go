package connectortest

import (
	"os/exec"
	"testing"
)

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
