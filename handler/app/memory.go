package app

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// defaultMemory is what a process may use where nothing says how much there is: no
	// instance of Azure Functions has less (learn.microsoft.com, "Azure Functions Flex
	// Consumption plan hosting": instance sizes, 2026).
	defaultMemory = 512 << 20
	// hostMemory is what the Functions host beside it takes of an instance: 155 MB were
	// measured, with eighteen functions.
	hostMemory = 192 << 20
)

// aside is kept for what a process has without runs, and for one body of the largest
// size while it grows.
const aside = 160 << 20

// LimitMemory has Go's collector stay within what there is, unless GOMEMLIMIT says so
// already.
func LimitMemory() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(memoryLimit("/", os.Getenv))
	}
}

// memoryForRuns is what the streams that are collected may hold together, with a limit
// for the process: half of what is left, for memory may become twice as much as is held
// before it is collected.
func memoryForRuns(limit int64) int { return int(max(limit-aside, 0) / 2) }

// memoryLimit is how much memory this process may use: what its container has, in a
// function app without the host's part.
func memoryLimit(root string, getenv func(string) string) int64 {
	limit, known := containerMemory(root)
	if !known {
		limit = defaultMemory
	}
	if getenv("FUNCTIONS_CUSTOMHANDLER_PORT") != "" {
		limit = max(limit-hostMemory, limit/4)
	}
	return limit / 10 * 9
}

// containerMemory is the limit of the control group, version 2 or 1, that the process
// is in (kernel.org, "Control Group v2": memory.max). Inside of a container that is
// the root of what can be seen.
func containerMemory(root string) (limit int64, known bool) {
	paths := []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"}
	own, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	for line := range bytes.Lines(own) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "0::"); ok {
			paths = append(paths, filepath.Join("sys/fs/cgroup", path, "memory.max"))
		}
	}
	limit = 1 << 40 // version 1 has a number near the largest for none
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Join(root, path))
		if n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && bad == nil && n > 0 && n < limit {
			limit, known = n, true
		}
	}
	return limit, known
}
