package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// container is a source of objects that grow: it reads two records of one at a time, from
// where it was.
type container struct {
	objects map[string][]string
	until   map[string]time.Time
	at      map[string]engine.Place
	asked   int
}

func (c *container) Places(at map[string]engine.Place) { c.at = at }

func (c *container) Fetch(context.Context, engine.Window, string) (*engine.Page, error) {
	c.asked++
	for _, name := range slices.Sorted(maps.Keys(c.objects)) {
		all := c.objects[name]
		from, _ := strconv.Atoi(c.at[name].At)
		if from == len(all) {
			continue
		}
		to := min(from+2, len(all))
		c.at[name] = engine.Place{At: strconv.Itoa(to), Until: c.until[name]}
		return &engine.Page{Records: []byte(`["` + strings.Join(all[from:to], `","`) + `"]`), Next: fmt.Sprint(c.asked),
			Places: map[string]engine.Place{name: c.at[name]}}, nil
	}
	return &engine.Page{}, nil
}

func newContainer() (*bench, *container) {
	b := newBench()
	c := &container{objects: map[string][]string{"a": {"a1", "a2", "a3"}, "b": {"b1"}}}
	b.s.Source = c
	return b, c
}

// TestThingsThatGrowAreReadOnFromTheirPlaces, long after their ids are forgotten, in whatever
// order they grow.
func TestThingsThatGrowAreReadOnFromTheirPlaces(t *testing.T) {
	b, c := newContainer()
	b.run(t, engine.OK)
	b.wantIDs(t, "a1", "a2", "a3", "b1")
	if c.at != nil {
		t.Error("the source still has places after the run")
	}
	for _, grown := range []struct{ name, id string }{{"b", "b2"}, {"a", "a4"}, {"0", "01"}} {
		b.clock.Advance(24 * time.Hour)
		c.objects[grown.name] = append(c.objects[grown.name], grown.id)
		b.run(t, engine.OK)
	}
	b.wantIDs(t, "a1", "a2", "a3", "b1", "b2", "a4", "01")
}

// TestAPlaceIsThatOfADeliveredPage: what could not be sent is read again.
func TestAPlaceIsThatOfADeliveredPage(t *testing.T) {
	b, _ := newContainer()
	b.BatchBytes = 200 // two rows
	b.sink.Fail = func(batch engine.Batch) error {
		if strings.Contains(string(batch.Rows), `"id":"a3"`) {
			return &engine.Error{Kind: engine.Auth, Op: "upload", Reason: "dcr_role_missing"}
		}
		return nil
	}
	b.run(t, engine.Failed)
	if got := b.checkpoint(t).Places; len(got) != 1 || got["a"].At != "2" {
		t.Errorf("places %v", got)
	}
	b.sink.Fail = nil
	b.run(t, engine.OK)
	b.wantIDs(t, "a1", "a2", "a3", "b1")
}

// TestPlacesOfThingsThatAreListedNoMoreAreForgotten, and those of a stream that is set back.
func TestPlacesOfThingsThatAreListedNoMoreAreForgotten(t *testing.T) {
	b, c := newContainer()
	c.until = map[string]time.Time{"a": noon.Add(time.Hour)}
	b.run(t, engine.OK)
	if got := b.checkpoint(t).Places; len(got) != 2 {
		t.Errorf("places %v", got)
	}
	delete(c.objects, "a")
	b.clock.Advance(2 * time.Hour)
	b.run(t, engine.OK)
	if got := b.checkpoint(t).Places; len(got) != 1 || got["b"].At != "1" {
		t.Errorf("places %v", got)
	}
	if _, err := b.Rewind(t.Context(), b.s.Key(), noon); err != nil {
		t.Fatal(err)
	}
	b.run(t, engine.OK)
	b.wantIDs(t, "a1", "a2", "a3", "b1", "b1")
}
