package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/schedule"
)

// TestConnectionsOfOneScheduleAreApart: a hundred of every five minutes come over half a
// minute, each always at the same second; of a schedule of a minute, over six seconds.
func TestConnectionsOfOneScheduleAreApart(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	for expr, most := range map[string]time.Duration{"0 */5 * * * *": 30 * time.Second, "0 * * * * *": 6 * time.Second, "0 0 6 * * *": 30 * time.Second} {
		s, err := schedule.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		quarters := map[time.Duration]int{}
		for i := range 100 {
			name := fmt.Sprint("connection-", i)
			d := stagger(name, s, now)
			if d < 0 || d >= most || d != stagger(name, s, now.Add(17*time.Hour)) {
				t.Errorf("%s: %s comes %s after its tick", expr, name, d)
			}
			quarters[d/(most/4)]++
		}
		for q := range time.Duration(4) {
			if quarters[q] < 10 {
				t.Errorf("%s: %v", expr, quarters)
			}
		}
	}
}
