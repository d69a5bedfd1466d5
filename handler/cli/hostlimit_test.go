package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheHostsLimit: the app setting comes before host.json, and that before the plan.
func TestTheHostsLimit(t *testing.T) {
	for what, x := range map[string]struct {
		host  string
		env   string
		limit time.Duration
		err   string
	}{
		"host.json":               {"00:10:00", "", 10 * time.Minute, ""},
		"the app setting":         {"00:10:00", "AzureFunctionsJobHost__functionTimeout=00:20:00", 20 * time.Minute, ""},
		"in another case":         {"", "AZUREFUNCTIONSJOBHOST__FUNCTIONTIMEOUT=01:00:00", time.Hour, ""},
		"days":                    {"", "AzureFunctionsJobHost__functionTimeout=1.02:03:04", 26*time.Hour + 3*time.Minute + 4*time.Second, ""},
		"days alone":              {"", "AzureFunctionsJobHost__functionTimeout=2", 48 * time.Hour, ""},
		"hours that are days":     {"", "AzureFunctionsJobHost__functionTimeout=24:00:00", 24 * 24 * time.Hour, ""},
		"no end":                  {"-1", "", 30 * time.Minute, ""},
		"fractions":               {"00:00:30.5000000", "", 30 * time.Second, ""},
		"nothing said":            {"", "", 30 * time.Minute, ""},
		"Consumption":             {"", "WEBSITE_SKU=Dynamic", 5 * time.Minute, ""},
		"Consumption on Linux":    {"", "CONTAINER_NAME=x", 5 * time.Minute, ""},
		"Flex Consumption":        {"", "CONTAINER_NAME=x WEBSITE_SKU=FlexConsumption LEGION_SERVICE_HOST=x", 30 * time.Minute, ""},
		"Premium":                 {"", "WEBSITE_SKU=ElasticPremium WEBSITE_INSTANCE_ID=x", 30 * time.Minute, ""},
		"what cannot be read":     {"00:10:00", "AzureFunctionsJobHost__functionTimeout=10m", 30 * time.Minute, `__functionTimeout is "10m", want`},
		"host.json that is wrong": {"ten", "", 30 * time.Minute, `functionTimeout in host.json is "ten"`},
	} {
		root := t.TempDir()
		if x.host != "" {
			if err := os.WriteFile(filepath.Join(root, "host.json"), []byte(`{"functionTimeout": "`+x.host+`"}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := hostLimit(root, strings.Fields(x.env))
		if got != x.limit || (err == nil) != (x.err == "") || err != nil && !strings.Contains(err.Error(), x.err) {
			t.Errorf("%s: %s, %v; want %s", what, got, err, x.limit)
		}
	}
}

// TestARunEndsBeforeTheHostsLimit: with the half minute that a hanging provider costs.
func TestARunEndsBeforeTheHostsLimit(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{30 * time.Minute: 24 * time.Minute, 5 * time.Minute: 4 * time.Minute, 2 * time.Minute: 75 * time.Second, time.Minute: 15 * time.Second} {
		if got := runBudget(limit); got != want || got >= limit-killMargin(limit) {
			t.Errorf("%s: %s, want %s", limit, got, want)
		}
	}
}
