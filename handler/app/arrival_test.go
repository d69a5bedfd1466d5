package app

import (
	"log/slog"
	"testing"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/memory"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// TestRowsGoByTheTimeThatIsWanted: that of ingestion, where sluice.yaml says so.
func TestRowsGoByTheTimeThatIsWanted(t *testing.T) {
	c, err := connectors.Find("okta")
	if err != nil {
		t.Fatal(err)
	}
	for _, arrival := range []bool{false, true} {
		res := &config.Resolved{Name: "okta", Connector: c, Settings: map[string]string{"domain": "contoso.okta.com", "api_token": "t"}, ByArrival: arrival}
		streams, err := NewStreams(res, memory.NewStore(), slog.New(slog.DiscardHandler), res.Streams())
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := streams[0].Mapper.(sentinel.Mapper); !ok || m.ByArrival != arrival {
			t.Errorf("wanted %v: %+v", arrival, streams[0].Mapper)
		}
	}
}
