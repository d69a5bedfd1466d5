package sentinel

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-connectors/sluice/handler/engine"
)

func TestTimesAreWrittenAsPackageTimeWouldDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		if got, want := string(appendTime(nil, at)), at.Format(`"2006-01-02T15:04:05.9999999Z"`); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

// TestTimesOfRows: when it happened, unless the service would not take that or somebody wants
// the time of arrival; what was put in its place is in EventTime.
func TestTimesOfRows(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		said            Said
		generated, then string
	}{
		{Said{At: now.Add(-time.Hour), HasTime: true}, "2026-11-27T11:00:00Z", ""},
		{Said{At: now.Add(-time.Hour), HasTime: true, ByArrival: true}, "2026-11-27T12:00:00Z", "2026-11-27T11:00:00Z"},
		{Said{At: now.Add(-72 * time.Hour), HasTime: true}, "2026-11-27T12:00:00Z", "2026-11-24T12:00:00Z"},
		{Said{ByArrival: true}, "2026-11-27T12:00:00Z", ""},
	} {
		var row map[string]string
		if err := json.Unmarshal(Seal([]byte{'{'}, 0, &engine.Stamp{UID: []byte("1"), Now: now}, c.said), &row); err != nil {
			t.Fatal(err)
		}
		if row["TimeGenerated"] != c.generated || row["EventTime"] != c.then {
			t.Errorf("%+v: %v", c.said, row)
		}
	}
}
