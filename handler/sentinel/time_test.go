package sentinel

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTimesAreWrittenAsPackageTimeWouldDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		if got, want := string(appendTime(nil, at)), at.Format(`"2006-01-02T15:04:05.9999999Z"`); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}
