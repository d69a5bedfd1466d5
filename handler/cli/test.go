package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/cases"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// connectorFolder is the folder of the files of the connector that a name stands for, as
// with all commands: a path, or one of one's own. A built-in one has its files in the
// project only, which may be ahead of this program.
func connectorFolder(name string, w io.Writer) (string, error) {
	set := known()
	if _, err := set.Find(name); err != nil && set.Path(name) == "" {
		return "", &codeError{exitUsage, err}
	} else if err != nil {
		return "", err
	}
	if path := set.Path(name); path != "" {
		return filepath.Dir(path), nil
	}
	dir := filepath.Join("connectors", name)
	path := filepath.Join(dir, "connector.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usageError("there is no %s here: call this in the project's folder, or give the folder that has the connector.yaml", path)
	}
	if !connectors.IsBuiltin(name, text) {
		fmt.Fprintf(w, "%s is not the %s that is built into this program, which other commands take\n", path, name)
	}
	return dir, nil
}

// readConnector reads the connector.yaml in a folder.
func readConnector(dir string) (*spec.Connector, error) {
	path := filepath.Join(dir, "connector.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return spec.Parse(path, data)
}

// tests are the options of sluice test.
type tests struct {
	stream, output string
	update, quick  bool
}

func testCommand(std *stdio) *cobra.Command {
	var o tests
	cmd := &cobra.Command{
		Use:   "test CONNECTOR",
		Short: "Run a connector's cases, and say what each shows",
		Long: `Test runs the cases in a connector's folder (testdata/STREAM/CASE/exchange.yaml)
against its connector.yaml as it is now: no building, no account, no network. A
case scripts what the provider answers, and holds the rows that have to arrive
(rows.json) and what has to be remembered (checkpoint.json).

Of each stream's first_poll it also makes the cases in which the provider fails:
throttling in every form, errors, broken and slow connections, pages that are no
JSON, tokens that expire or lead in a circle. Whatever fails, nothing may be lost.

Exit code 0: all is well. 1: a case shows something else. 2: a wrong call.`,
		Example: `  sluice test okta
  sluice test connectors/acme --stream events --update    # after looking at what changed
  sluice test okta -o json | jq '.[] | select(.problems)'`,
		Args: exactlyOne("CONNECTOR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("output", o.output, "text", "json"); err != nil {
				return err
			}
			return o.run(cmd, std, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.stream, "stream", "", "only this stream")
	f.BoolVar(&o.update, "update", false, "write rows.json and checkpoint.json instead of comparing")
	f.BoolVar(&o.quick, "quick", false, "without the cases in which the provider fails")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	return cmd
}

func (o *tests) run(cmd *cobra.Command, std *stdio, name string) error {
	dir, err := connectorFolder(name, std.err)
	if err != nil {
		return err
	}
	c, err := readConnector(dir)
	if err != nil {
		return err
	}
	if o.stream != "" && c.Stream(o.stream) == nil {
		return usageError("%s has no stream %q", c.Name, o.stream)
	}
	out := std.out
	if o.output == "json" {
		out = io.Discard
	}
	var all []*cases.Result
	failed := 0
	for i := range c.Streams {
		s := &c.Streams[i]
		if o.stream != "" && s.Name != o.stream {
			continue
		}
		results, err := o.testStream(cmd, out, c, s, filepath.Join(dir, "testdata"))
		if err != nil {
			return err
		}
		all = append(all, results...)
	}
	for _, r := range all {
		if len(r.Problems) > 0 {
			failed++
		}
	}
	if o.output == "json" {
		if err := printJSON(std.out, all); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s show something else", failed, plural(int64(len(all)), "case"))
	}
	fmt.Fprintf(out, "%s, all as they should be\n", plural(int64(len(all)), "case"))
	return nil
}

// testStream runs the cases of one stream and prints a line for each.
func (o *tests) testStream(cmd *cobra.Command, out io.Writer, c *spec.Connector, s *spec.Stream, testdata string) ([]*cases.Result, error) {
	dirs, err := cases.Find(testdata, s)
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		return nil, fmt.Errorf("the stream %s has no case: make one with sluice record %s --stream %s, or write %s", s.Name, c.Name, s.Name, filepath.Join(testdata, s.Name, "first_poll", "exchange.yaml"))
	}
	var all []*cases.Result
	for _, dir := range dirs {
		res, err := cases.Check(cmd.Context(), c, s, dir, o.update)
		if err != nil {
			return nil, err
		}
		printCase(out, res)
		all = append(all, res)
	}
	first := filepath.Join(testdata, s.Name, "first_poll")
	if _, err := os.Stat(first); o.quick || err != nil {
		return all, nil
	}
	hard, err := cases.Robustness(cmd.Context(), c, s, first)
	if err != nil {
		return nil, err
	}
	bad := 0
	for _, res := range hard {
		if len(res.Problems) > 0 {
			printCase(out, res)
			bad++
		}
	}
	fmt.Fprintf(out, "%s  %s: %d ways in which the provider fails, %d of them lose nothing\n", mark(bad == 0), s.Name, len(hard), len(hard)-bad)
	return append(all, hard...), nil
}

func mark(ok bool) string {
	if ok {
		return "ok  "
	}
	return "FAIL"
}

func printCase(out io.Writer, r *cases.Result) {
	fmt.Fprintf(out, "%s  %s/%s: %s (%s, %s)\n", mark(len(r.Problems) == 0), r.Stream, r.Case, strings.TrimSuffix(r.Sentence(), "."), plural(int64(r.Requests), "request"), plural(int64(r.Rows), "row"))
	for _, p := range r.Problems {
		fmt.Fprintf(out, "      %s\n", strings.ReplaceAll(p, "\n", "\n      "))
	}
}
