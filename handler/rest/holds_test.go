package rest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// TestAListIsHeldWhileItsRecordsAreLookedUp, and what was got ahead of its turn until
// that has come; then nothing is.
func TestAListIsHeldWhileItsRecordsAreLookedUp(t *testing.T) {
	c := declared(t, "", `
request: {path: /list}
records: $.items
steps:
  - request: {path: "/of/{item.id}"}
    records: $.found`+windowed)
	c.Limits.Concurrency = 2
	list := `[{"id":1},{"id":2},{"id":3}]`
	found := `[{"t":"2026-11-22T11:00:00Z"}]`
	answers := map[string]any{"GET /list": `{"items":` + list + `}`}
	for i := range 3 {
		answers[fmt.Sprint("GET /of/", i+1)] = `{"found":` + found + `}`
	}
	src := newAPI(t, answers).open(t, c)
	var held []string
	for token := ""; ; {
		page, err := src.Fetch(t.Context(), engine.Window{From: noon.Add(-time.Hour), To: noon}, token)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, fmt.Sprint(src.Holds()))
		if token = page.Next; token == "" {
			break
		}
	}
	l, f := len(list), len(found)
	if got, want := strings.Join(held, " "), fmt.Sprint(l+f, l, l); got != want {
		t.Errorf("held were %s bytes, want %s", got, want)
	}
}
