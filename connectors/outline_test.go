package connectors

import "testing"

// TestOutlinesAreOfAllConnectors, and tell a function app what it needs of each.
func TestOutlinesAreOfAllConnectors(t *testing.T) {
	cs, err := All()
	if err != nil {
		t.Fatal(err)
	}
	list, err := Outlines()
	if err != nil || len(list) != len(cs) {
		t.Fatalf("%d outlines of %d connectors, %v; scripts/generate writes them", len(list), len(cs), err)
	}
	for i, c := range cs {
		o := list[i]
		if o.Name != c.Name || o.Title != c.Title || o.Schedule != c.Schedule || o.FunctionName() != c.FunctionName() || len(o.Settings) != len(c.Settings) || len(o.Streams) != len(c.Streams) {
			t.Errorf("the outline of %s is %+v; scripts/generate writes it", c.Name, o)
			continue
		}
		for j, s := range c.Settings {
			if x := o.Settings[j]; x.Name != s.Name || x.Required != s.Required || x.Secret != s.Secret {
				t.Errorf("the outline of %s has the setting %+v for %s", c.Name, x, s.Name)
			}
		}
	}
}

// BenchmarkOutlines: what a function app does at its start.
func BenchmarkOutlines(b *testing.B) {
	for b.Loop() {
		if _, err := Outlines(); err != nil {
			b.Fatal(err)
		}
	}
}
