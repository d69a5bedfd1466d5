package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestWhatAProviderSendsDoesNotSteerATerminal: nothing that moves the cursor,
// begins a line or turns the direction of writing leaves a table.
func TestWhatAProviderSendsDoesNotSteerATerminal(t *testing.T) {
	var out bytes.Buffer
	row := map[string]any{"Name": "\x1b[2J\x1b]0;title\x07evil\r\nsecond line\u202egnp.exe\u0085\u200b", "Any": map[string]any{"k": "\x1b[31m"}}
	if err := printTable(&out, []string{"Name", "Any"}, []map[string]any{row}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\x07\r\u202e\u0085\u200b") || strings.Count(text, "\n") != 2 || !strings.Contains(text, "evil") {
		t.Errorf("%q", text)
	}
}
