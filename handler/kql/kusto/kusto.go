// Package kusto asks Microsoft's own parser of KQL what it thinks of a text. It
// is the npm package @kusto/language-service-next, run in Node; scripts/test
// installs it. Only tests use this package.
package kusto

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

//go:embed check.js
var script string

// Query is a text and the tables that it may read, each with its columns in
// the parser's form: (name:type, …).
type Query struct {
	Text   string            `json:"query"`
	Tables map[string]string `json:"tables"`
}

// Answer is what the parser says: its errors, none if it accepts the text, and
// the columns of the result.
type Answer struct {
	Errors []struct {
		Message string
		Start   int // in UTF-16 units of the text
	}
	Columns []Column
}

// Column is a column of a result.
type Column struct{ Name, Type string }

// String lists the columns as they would be declared.
func (a Answer) String() string {
	var parts []string
	for _, c := range a.Columns {
		parts = append(parts, c.Name+":"+c.Type)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// Schema writes columns in the parser's form. Names are quoted where they are odd.
func Schema(cols []Column) string {
	var parts []string
	for _, c := range cols {
		parts = append(parts, fmt.Sprintf("['%s']:%s", c.Name, c.Type))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// Checker is a running parser. It is started once for a test binary.
type Checker struct {
	mu  sync.Mutex
	in  *json.Encoder
	out *bufio.Reader
}

var started = sync.OnceValues(start)

// Start returns the parser. Without Node or the package the test is skipped,
// unless SLUICE_NEED_KUSTO says that they have to be there, as scripts/test does.
func Start(t testing.TB) *Checker {
	t.Helper()
	c, err := started()
	if err != nil {
		if os.Getenv("SLUICE_NEED_KUSTO") != "" {
			t.Fatalf("Microsoft's parser: %v", err)
		}
		t.Skipf("Microsoft's parser is not installed; scripts/test does that (%v)", err)
	}
	return c
}

// start runs the script. The process ends with the test binary, which closes its input.
func start() (*Checker, error) {
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "..", "..", "..", "scripts", "testdeps", "node_modules", "@kusto", "language-service-next")
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	cmd := exec.Command("node", "-e", script, dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Checker{in: json.NewEncoder(in), out: bufio.NewReaderSize(out, 1<<20)}, nil
}

// Check asks about one text.
func (c *Checker) Check(t testing.TB, q Query) Answer {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.in.Encode(q); err != nil {
		t.Fatalf("Microsoft's parser: %v", err)
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("Microsoft's parser: %v", err)
	}
	var a Answer
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatalf("Microsoft's parser: %v", err)
	}
	return a
}
