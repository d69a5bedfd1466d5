package app

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestOnlyAProcessThatIsSurelyDeadLosesItsLease: another container may have our host
// name and our process number.
func TestOnlyAProcessThatIsSurelyDeadLosesItsLease(t *testing.T) {
	if realm == "" {
		t.Skip("this system does not say in what process numbers count")
	}
	host, _ := os.Hostname()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Skip(err)
	}
	named := func(pid int, start, realm string) string { return fmt.Sprintf("%s/%d/%s/%s", host, pid, start, realm) }
	for who, want := range map[string]bool{
		Holder():                                       true,
		named(os.Getpid(), "1", realm):                 false, // before us
		named(os.Getpid(), "1", "another"):             true,
		named(dead.Process.Pid, "1", realm):            false,
		named(dead.Process.Pid, "1", "another"):        true,
		named(os.Getppid(), "1", realm):                true,
		fmt.Sprintf("%s/%d/1", host, dead.Process.Pid): true, // of an older version
		"unnamed": true,
	} {
		if Alive(who) != want {
			t.Errorf("Alive(%q) = %v", strings.ReplaceAll(who, host, "host"), !want)
		}
	}
}
