package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestMemoryLimit reads what a container has, in either version of control groups.
func TestMemoryLimit(t *testing.T) {
	for what, x := range map[string]struct {
		files    map[string]string
		function bool
		limit    int64
	}{
		"nothing says it":    {nil, false, 512 << 20},
		"a function app":     {nil, true, 320 << 20},
		"version 2":          {map[string]string{"sys/fs/cgroup/memory.max": "268435456\n"}, false, 256 << 20},
		"version 2, no end":  {map[string]string{"sys/fs/cgroup/memory.max": "max\n"}, false, 512 << 20},
		"a service's group":  {map[string]string{"proc/self/cgroup": "0::/system.slice/sluice.service\n", "sys/fs/cgroup/system.slice/sluice.service/memory.max": "134217728\n"}, false, 128 << 20},
		"version 1":          {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, false, 1 << 30},
		"version 1, no end":  {map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, false, 512 << 20},
		"a function's group": {map[string]string{"sys/fs/cgroup/memory.max": "2147483648"}, true, 2<<30 - 192<<20},
		"a small instance":   {map[string]string{"sys/fs/cgroup/memory.max": "134217728"}, true, 32 << 20},
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
		if limit := memoryLimit(root, getenv); limit != x.limit/10*9 {
			t.Errorf("%s: %d MiB", what, limit>>20)
		}
	}
}

// TestMemoryForRuns leaves room for a large body and for what is not collected yet; one
// run goes on however little there is.
func TestMemoryForRuns(t *testing.T) {
	for limit, want := range map[int64]int{64 << 20: 0, 460 << 20: 150 << 20, 1 << 30: 432 << 20} {
		if got := memoryForRuns(limit); got != want {
			t.Errorf("%d MiB: %d", limit>>20, got)
		}
	}
	if _, err := engine.NewRoom(0).Enter(t.Context()); err != nil {
		t.Error(err)
	}
}
