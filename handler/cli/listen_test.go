package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-connectors/sluice/handler/testkit"
)

// TestNobodyElseCanConnect: whatever listens, listens on 127.0.0.1, says the
// kernel's list of sockets.
func TestNobodyElseCanConnect(t *testing.T) {
	bin := filepath.Join(unpack(t), "sluice")
	for _, args := range [][]string{{"serve"}, {"up"}, {"workspace"}} {
		port := testkit.FreePort(t)
		cmd := exec.Command(bin, append(args, "--port", port)...)
		cmd.Dir, cmd.Env = t.TempDir(), []string{"HOME=" + t.TempDir()}
		testkit.Start(t, cmd)
		testkit.WaitForPort(t, port)
		at := listeners(t, port)
		if len(at) != 1 || at[0] != "0100007F" {
			t.Errorf("sluice %s listens at %v; 0100007F is 127.0.0.1", args[0], at)
		}
	}
}

// listeners are the addresses, as the kernel writes them, that a port is open at.
func listeners(t *testing.T, port string) (at []string) {
	t.Helper()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(file)
		if err != nil && file == "/proc/net/tcp" {
			t.Skip("there is no " + file)
		}
		for line := range strings.Lines(string(data)) {
			const listening = "0A"
			f := strings.Fields(line)
			if len(f) < 4 || f[3] != listening {
				continue
			}
			if addr, p, _ := strings.Cut(f[1], ":"); p == fmt.Sprintf("%04X", n) {
				at = append(at, addr)
			}
		}
	}
	return at
}
