package app

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Holder names this process in leases: host, process, a start time that tells it
// from an earlier process with the same number, and where that number counts.
func Holder() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s/%d/%d/%s", host, os.Getpid(), started.UnixNano(), realm)
}

var started = time.Now()

// realm names what process numbers count in: a namespace of a kernel that runs.
// Containers may have one host name, and each a process 1. "" where that is unknown.
var realm = func() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid")
	if err != nil || err2 != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(string(boot) + space))
	return fmt.Sprintf("%x", sum[:6])
}()

// Alive reports whether the process that a lease names may still run. It knows
// only of those whose numbers are like its own; of another it assumes so.
func Alive(who string) bool {
	part := strings.Split(who, "/")
	host, _ := os.Hostname()
	if len(part) != 4 || part[0] != host || part[3] != realm || realm == "" {
		return true
	}
	pid, err := strconv.Atoi(part[1])
	if err != nil || pid == os.Getpid() {
		return who == Holder() // our number, so an earlier process had it
	}
	p, err := os.FindProcess(pid)
	return err == nil && !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
