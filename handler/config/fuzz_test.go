package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/config"
)

// FuzzConfig: whatever stands in a sluice.yaml, it is a configuration or an
// error that names the file; a secret that is referred to is in no error.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		"workspace: {endpoint: https://x.ingest.monitor.azure.com, rules: {OktaV2_CL: {id: dcr-00000000000000000000000000000001, stream: Custom-OktaV2_CL}}}\nconnections:\n  - {connector: okta, settings: {domain: contoso.okta.com, api_token: \"${env:TOKEN}\"}}\n",
		"connections: [{connector: okta}]", "connections: {}", "workspace: []", "- a\n", "a: &a [*a]", "\t", "connections: [{connector: okta, settings: {domain: \"${env:TOKEN}\", api_token: x}, start: never}]",
		"store: {connection_string: \"${env:TOKEN}\"}", "connections: [{connector: nope, schedule: \"* *\"}]",
	} {
		f.Add([]byte(s))
	}
	const canary = "canary-in-the-environment"
	env := func(string) (string, bool) { return canary, true }
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "file:") {
			t.Skip("refers to a file")
		}
		c, err := config.Parse("sluice.yaml", data, func([]config.Folder) (config.Find, []config.Broken) { return connectors.Find, nil }, env, time.Now(), nil)
		if err == nil {
			err = c.Err()
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("error: %v", err)
		}
	})
}
