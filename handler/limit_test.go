package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMemoryLimit reads what a container has, in either version of control groups.
func TestMemoryLimit(t *testing.T) {
	for what, x := range map[string]struct {
		files    map[string]string
		function bool
		limit    int64
		known    bool
	}{
		"nothing says it":    {nil, false, 512 << 20, false},
		"a function app":     {nil, true, 320 << 20, false},
		"version 2":          {map[string]string{"sys/fs/cgroup/memory.max": "268435456\n"}, false, 256 << 20, true},
		"version 2, no end":  {map[string]string{"sys/fs/cgroup/memory.max": "max\n"}, false, 512 << 20, false},
		"a service's group":  {map[string]string{"proc/self/cgroup": "0::/system.slice/sluice.service\n", "sys/fs/cgroup/system.slice/sluice.service/memory.max": "134217728\n"}, false, 128 << 20, true},
		"version 1":          {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, false, 1 << 30, true},
		"version 1, no end":  {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, false, 512 << 20, false},
		"a function's group": {map[string]string{"sys/fs/cgroup/memory.max": "2147483648"}, true, 2<<30 - 192<<20, true},
		"a small instance":   {map[string]string{"sys/fs/cgroup/memory.max": "134217728"}, true, 32 << 20, true},
	} {
		root := t.TempDir()
		for name, text := range x.files {
			path := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		getenv := func(string) string { return map[bool]string{true: "7071"}[x.function] }
		if limit, known := memoryLimit(root, getenv); limit != x.limit || known != x.known {
			t.Errorf("%s: %d MiB, %v", what, limit>>20, known)
		}
	}
}
