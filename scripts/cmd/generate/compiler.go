package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// compiler is Microsoft's Bicep CLI, one process for all files: bicep jsonrpc --stdio
// (Azure/bicep, src/Bicep.Cli/Rpc), which speaks JSON-RPC 2.0 with Content-Length heads.
type compiler struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	id  int
}

// versionFile has the version of the compiler that the compiled templates are made by;
// the workflows read it too.
const versionFile = "infra/bicep.version"

// noCompiler says that there is none, and how to get one.
type noCompiler struct{ version string }

func (e *noCompiler) Error() string {
	return "Bicep's compiler is not here: az bicep install --version v" + e.version + ", or put bicep " + e.version + " of github.com/Azure/bicep/releases on the PATH"
}

// startCompiler starts the compiler of the version that the project at root is compiled
// by: from the PATH, from az, or beside the project.
func startCompiler(root string) (*compiler, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(versionFile)))
	if err != nil {
		return nil, err
	}
	want := strings.TrimSpace(string(text))
	path := findCompiler(root)
	if path == "" {
		return nil, &noCompiler{want}
	}
	c := &compiler{cmd: exec.Command(path, "jsonrpc", "--stdio")}
	c.cmd.Stderr = os.Stderr
	// Where a machine has no ICU, .NET wants to be told so.
	c.cmd.Env = append(os.Environ(), "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1")
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	var is struct{ Version string }
	if err := c.call("bicep/version", struct{}{}, &is); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if is.Version != want {
		c.close()
		return nil, fmt.Errorf("%s is version %s, and the templates are compiled by %s (%s): az bicep install --version v%s", path, is.Version, want, versionFile, want)
	}
	return c, nil
}

func findCompiler(root string) string {
	if path, err := exec.LookPath("bicep"); err == nil {
		return path
	}
	home, _ := os.UserHomeDir()
	for _, path := range []string{filepath.Join(home, ".azure", "bin", "bicep"), filepath.Join(root, "..", "shared", "tools", "bicep")} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// close ends the process.
func (c *compiler) close() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// call makes one request and reads its answer.
func (c *compiler) call(method string, params, result any) error {
	c.id++
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.id, "method": method, "params": params})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.in, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return fmt.Errorf("%s: the compiler has ended: %w", method, err)
	}
	head, err := textproto.NewReader(c.out).ReadMIMEHeader()
	if err != nil {
		return fmt.Errorf("%s: the compiler has ended: %w", method, err)
	}
	length, err := strconv.Atoi(head.Get("Content-Length"))
	if err != nil {
		return fmt.Errorf("%s: an answer without its length: %w", method, err)
	}
	body = make([]byte, length)
	if _, err := io.ReadFull(c.out, body); err != nil {
		return fmt.Errorf("%s: the compiler has ended: %w", method, err)
	}
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %s", method, answer.Error.Message)
	}
	return json.Unmarshal(answer.Result, result)
}

// diagnostic is what the compiler or its linter has to say.
type diagnostic struct {
	Source  string
	Range   struct{ Start struct{ Line, Char int } }
	Level   string
	Code    string
	Message string
}

func (d diagnostic) String() string {
	return fmt.Sprintf("%s:%d:%d: %s %s: %s", d.Source, d.Range.Start.Line+1, d.Range.Start.Char+1, d.Level, d.Code, d.Message)
}

// complaint is an error for whatever the compiler says of a file.
func complaint(path string, diagnostics []diagnostic, ok bool) error {
	var lines []string
	for _, d := range diagnostics {
		lines = append(lines, d.String())
	}
	if len(lines) == 0 && ok {
		return nil
	}
	return fmt.Errorf("%s does not compile without a word:\n%s", path, strings.Join(lines, "\n"))
}

// compile makes an ARM template of a Bicep file, as it is kept: a line for each value,
// without indentation, since Azure takes no more than 4 MB. Nothing that the compiler
// or its linter has to say is passed over.
func (c *compiler) compile(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	var r struct {
		Success     bool
		Diagnostics []diagnostic
		Contents    string
	}
	if err := c.call("bicep/compile", map[string]string{"path": abs}, &r); err != nil {
		return "", err
	}
	if err := complaint(path, r.Diagnostics, r.Success); err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(generator.ReplaceAllString(r.Contents, "")), "", ""); err != nil {
		return "", err
	}
	return b.String() + "\n", nil
}

// generator is the compiler's note of its own version, in every template and module: it
// would change them with each release.
var generator = regexp.MustCompile(`"_generator": \{[^}]*\},?\s*`)

// at is where the deployments are that are worked out.
type at struct {
	Tenant         string `json:"tenantId"`
	Subscription   string `json:"subscriptionId"`
	Group          string `json:"resourceGroup"`
	Location       string `json:"location"`
	DeploymentName string `json:"deploymentName"`
}

// place is where deployments are that are worked out here.
var place = at{"33333333-3333-3333-3333-333333333333", "22222222-2222-2222-2222-222222222222", "sluice", "westeurope", "main"}

// snapshot works out a deployment: of a parameter file, which names its template.
func (c *compiler) snapshot(path string, where at) (string, error) {
	var answer struct{ Snapshot string }
	err := c.call("bicep/getSnapshot", map[string]any{"path": path, "metadata": where}, &answer)
	return answer.Snapshot, err
}
