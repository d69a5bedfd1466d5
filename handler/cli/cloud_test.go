package cli

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/config"
	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// TestEachRuleHasItsEndpoint: direct rules have an address each; rows of a table go to
// that of its rule.
func TestEachRuleHasItsEndpoint(t *testing.T) {
	s := surround(t)
	other, err := openWorkspace(filepath.Join(t.TempDir(), "other.db"), allConnectors(t))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	srv := httptest.NewServer(other.Handler())
	defer srv.Close()
	env := append(s.env(t.TempDir()), `OKTA_RULES={"OktaV2_CL": {"id": "`+rulesOf(other)["OktaV2_CL"].ID+`", "stream": "Custom-OktaV2_CL", "endpoint": "`+srv.URL+`"}}`)
	c, err := config.FromEnv(allConnectors(t), connectors.Find, env, time.Now(), nil)
	if err = errors.Join(err, c.Err()); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rep := a.CollectAll(t.Context(), a.Connections(), time.Minute)[0]; rep.Outcome != engine.OK || rep.Counts.Acknowledged == 0 {
		t.Fatalf("%+v", rep)
	}
	here, err1 := other.Count("OktaV2_CL")
	there, err2 := s.ws.Count("OktaV2_CL")
	health, err3 := s.ws.Count(sentinel.HealthTable)
	if here == 0 || there != 0 || health != 1 || errors.Join(err1, err2, err3) != nil {
		t.Errorf("%d rows at the rule's endpoint, %d elsewhere, %d of health: %v", here, there, health, errors.Join(err1, err2, err3))
	}
}

func allConnectors(t *testing.T) []*spec.Connector {
	t.Helper()
	all, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
