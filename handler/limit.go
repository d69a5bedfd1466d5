package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

const (
	// defaultMemory is what a process may use where nothing says how much there is: no
	// instance of Azure Functions has less.
	defaultMemory = 512 << 20
	// hostMemory is what the Functions host beside it takes of an instance.
	hostMemory = 192 << 20
)

// memoryForRuns is what the streams that are collected may hold together: half of what
// the process may use, for Go's collector lets memory become twice as much as is held.
// Near a limit that is known it works harder.
var memoryForRuns = sync.OnceValue(func() int {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 { // GOMEMLIMIT
		return int(limit / 2)
	}
	limit, known := memoryLimit("/", os.Getenv)
	if known {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
	return int(limit / 2)
})

// memoryLimit is how much memory this process may use: what its container has, in a
// function app without the host's part. known says that it is more than a guess.
func memoryLimit(root string, getenv func(string) string) (limit int64, known bool) {
	limit, known = containerMemory(root)
	if !known {
		limit = defaultMemory
	}
	if getenv("FUNCTIONS_CUSTOMHANDLER_PORT") != "" {
		limit = max(limit-hostMemory, limit/4)
	}
	return limit, known
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
