package testkit

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/sluice-connectors/sluice/handler/cases"
	"github.com/sluice-connectors/sluice/handler/spec"
)

var update = flag.Bool("update", false, "write anew what tests expect: rows and checkpoints of cases, facts of others")

// Updating reports whether tests write what they expect anew.
func Updating() bool { return *update }

// Cases runs every case below folder, which is a connector's testdata:
// <stream>/<case>/exchange.yaml. Each stream has to have a case.
func Cases(t *testing.T, c *spec.Connector, folder string) {
	for i := range c.Streams {
		s := &c.Streams[i]
		dirs, err := cases.Find(folder, s)
		if err != nil || len(dirs) == 0 {
			t.Errorf("stream %s has no case below %s", s.Name, filepath.Join(folder, s.Name))
		}
		for _, dir := range dirs {
			t.Run(s.Name+"/"+filepath.Base(dir), func(t *testing.T) {
				res, err := cases.Check(t.Context(), c, s, dir, *update)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range res.Problems {
					t.Error(p)
				}
			})
		}
	}
}

// Robust runs the first case of every stream against a provider that fails in every
// way.
func Robust(t *testing.T, c *spec.Connector, folder string) {
	for i := range c.Streams {
		s := &c.Streams[i]
		t.Run(s.Name, func(t *testing.T) {
			list, err := cases.Robustness(t.Context(), c, s, filepath.Join(folder, s.Name, "first_poll"))
			if err != nil {
				t.Fatal(err)
			}
			if len(list) < 10 {
				t.Errorf("only %d trials", len(list))
			}
			for _, res := range list {
				for _, p := range res.Problems {
					t.Error(p)
				}
			}
			t.Logf("%d trials", len(list))
		})
	}
}
