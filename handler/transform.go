package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/kql"
)

func transformCommand(std *streams) *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use:   "transform --kql TEXT|@FILE < records",
		Short: "Run a transformation over records and print the rows",
		Long: `Transform reads records from standard input (a JSON array, an object, or one after
the other) and prints the rows that the KQL makes of them, one a line. The KQL is
what a data collection rule's transformKql may be.`,
		Example: `  echo '{"actor":{"alternateId":"ada@contoso.com"}}' | sluice transform --kql 'source | project User = tostring(actor.alternateId)'
  sluice transform --kql @transform.kql < records.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if path, ok := strings.CutPrefix(text, "@"); ok {
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				text = string(b)
			}
			if strings.TrimSpace(text) == "" {
				return usageError("give the transformation: --kql 'source | …' or --kql @FILE")
			}
			prog, err := kql.Compile(text, kql.Options{})
			if err != nil {
				return fmt.Errorf("the KQL has a mistake at %w", err)
			}
			return transform(prog.Runner(), std.in, std.out)
		},
	}
	cmd.Flags().StringVar(&text, "kql", "", "the transformation, or @ and the name of its file")
	return cmd
}

// transform maps records one after the other; memory does not grow with them.
func transform(m *kql.Runner, in io.Reader, out io.Writer) error {
	w := bufio.NewWriter(out)
	defer w.Flush()
	var row []byte
	n := 0
	each := func(rec json.RawMessage) error {
		n++
		var err error
		if _, row, err = m.Map(rec, row[:0]); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		if m.Kept() {
			_, err = w.Write(append(row, "}\n"...))
		}
		return err
	}
	br := bufio.NewReader(in)
	dec := json.NewDecoder(br)
	if first, err := firstByte(br); err == nil && first == '[' {
		if _, err := dec.Token(); err != nil {
			return err
		}
		for dec.More() {
			var rec json.RawMessage
			if err := dec.Decode(&rec); err != nil {
				return fmt.Errorf("record %d: %w", n+1, err)
			}
			if err := each(rec); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		var rec json.RawMessage
		if err := dec.Decode(&rec); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("record %d: %w", n+1, err)
		}
		if err := each(rec); err != nil {
			return err
		}
	}
}

// firstByte looks at the first byte that is no white space.
func firstByte(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b > ' ' {
			return b, r.UnreadByte()
		}
	}
}
