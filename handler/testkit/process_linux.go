package testkit

import (
	"os/exec"
	"syscall"
)

// dieWithUs has the kernel kill a process when ours is gone, such as by a panic or by
// the time limit of go test, which run no cleanup.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
