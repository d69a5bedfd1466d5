package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/azure/arm"
	"github.com/sluice-connectors/sluice/handler/config"
)

// blobs is what only Azure knows of an account's address.
var blobs = regexp.MustCompile(`‹(\w+)\.primaryEndpoints\.blob›`)

// site is the function app of a deployment with its settings.
func site(t *testing.T, res *arm.Result) (arm.Resource, map[string]string) {
	t.Helper()
	i := slices.IndexFunc(res.Resources, func(r arm.Resource) bool { return r.Type == "Microsoft.Web/sites" })
	if i < 0 {
		t.Fatal("there is no app")
	}
	app := res.Resources[i]
	settings := map[string]string{}
	for _, s := range dig(app.Body, "properties", "siteConfig", "appSettings").([]any) {
		name := dig(s, "name").(string)
		if _, ok := settings[name]; ok {
			t.Errorf("the setting %s is there twice", name)
		}
		settings[name] = blobs.ReplaceAllString(fmt.Sprint(dig(s, "value")), "https://$1.blob.core.windows.net/")
	}
	return app, settings
}

// onlyDeployed is what only a deployment has, as templates worked out show it.
var onlyDeployed = regexp.MustCompile("‹[^›]*›")

// standIn puts values in the place of those that only a deployment has.
func standIn(text string) string {
	return onlyDeployed.ReplaceAllStringFunc(text, func(s string) string {
		switch {
		case strings.HasSuffix(s, "immutableId›"):
			return "dcr-00000000000000000000000000000000"
		case strings.HasSuffix(s, "customerId›"):
			return "00000000-0000-0000-0000-000000000000"
		case strings.HasSuffix(s, "logsIngestion›"):
			return "https://rule.example"
		case strings.HasSuffix(s, "logsIngestion.endpoint›"), s == "‹endpoint›": // that of the private network
			return "https://endpoint.example"
		}
		return s
	})
}

// TestSettingsStartTheConnectors reads the settings of each app as Sluice does, with
// Key Vault's references resolved as the platform does: each connector that was
// chosen is configured, its tables have rules, and every function has a schedule.
func TestSettingsStartTheConnectors(t *testing.T) {
	cs, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, d deployedCase, res *arm.Result) {
		app, settings := site(t, res)
		if dig(app.Body, "properties", "keyVaultReferenceIdentity") == nil {
			t.Error("no identity for Key Vault references")
		}
		resolve(t, d, res, settings)
		chosen := map[string]bool{}
		for _, c := range cs {
			on := d.chosen(c.Name)
			chosen[c.Name] = on
			if settings[c.EnvName("schedule")] == "" {
				t.Errorf("the function of %s has no schedule: it would not be indexed", c.Name)
			}
			if off := settings["AzureWebJobs_"+c.FunctionName()+"_Disabled"] == "true"; off == on {
				t.Errorf("%s is switched off: %v", c.Name, off)
			}
		}
		if d.name == "schedules" && (settings["OKTA_SCHEDULE"] != "0 */2 * * * *" || settings["WIZ_SCHEDULE"] != "0 0 * * * *") {
			t.Errorf("schedules %s and %s", settings["OKTA_SCHEDULE"], settings["WIZ_SCHEDULE"])
		}
		if d.name == "none yet" || d.params["oktaApiToken"] == "" {
			return
		}
		var environ []string
		for name, value := range settings {
			environ = append(environ, name+"="+standIn(value))
		}
		cfg, err := config.FromEnv(cs, connectors.Find, environ, time.Now(), nil)
		if err == nil {
			err = cfg.Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		made := map[string]bool{} // containers, by address
		for _, r := range res.Resources {
			if parts := strings.Split(r.Name, "/"); r.Type == "Microsoft.Storage/storageAccounts/blobServices/containers" {
				made["https://"+parts[0]+".blob.core.windows.net/"+parts[2]] = true
			}
		}
		for _, conn := range cfg.Connections {
			if !chosen[conn.Connector.Name] {
				t.Errorf("%s was not chosen", conn.Name)
			}
			delete(chosen, conn.Connector.Name)
		}
		for name, on := range chosen {
			if on {
				t.Errorf("%s does not run", name)
			}
		}
		if cfg.Workspace.Cloud != d.cloud || cfg.Workspace.Credential != "managed_identity" || !made[cfg.Store.Container] || !made[cfg.Store.Quarantine] {
			t.Errorf("%+v %+v", cfg.Workspace, cfg.Store)
		}
		if at := cfg.Workspace.Rules["SluiceHealth_CL"].Endpoint; strings.Contains(at, "endpoint.example") != (d.params["network"] == "private") {
			t.Errorf("rows go to %s", at)
		}
	})
}

// TestASecretThatIsNotGivenStays: a later deployment without a secret makes none, and
// still refers to the one in the vault; one that is not required has to be named.
func TestASecretThatIsNotGivenStays(t *testing.T) {
	for name, want := range map[string]bool{"no secret is given": false, "an optional secret is kept": true} {
		_, res := byName(t, name)
		_, settings := site(t, res)
		if !vaultReference.MatchString(settings["OKTA_API_TOKEN"]) || vaultReference.MatchString(settings["ENTRA_ID_CLIENT_SECRET"]) != want {
			t.Errorf("%s: %s, %s", name, settings["OKTA_API_TOKEN"], settings["ENTRA_ID_CLIENT_SECRET"])
		}
		if slices.ContainsFunc(res.Resources, func(r arm.Resource) bool { return r.Type == "Microsoft.KeyVault/vaults/secrets" }) {
			t.Error("a secret is written, though none was given")
		}
	}
}

var vaultReference = regexp.MustCompile(`^@Microsoft\.KeyVault\(SecretUri=https://([^/]+)/secrets/([^/)]+)\)$`)

// resolve puts secrets in the place of references to them.
func resolve(t *testing.T, d deployedCase, res *arm.Result, settings map[string]string) {
	t.Helper()
	secrets := map[string]string{}
	for _, r := range res.Resources {
		if r.Type == "Microsoft.KeyVault/vaults/secrets" {
			secrets[r.Name] = dig(r.Body, "properties", "value").(string)
		}
	}
	for name, v := range settings {
		m := vaultReference.FindStringSubmatch(v)
		if m == nil {
			if strings.HasPrefix(v, "@") {
				t.Errorf("%s is %s", name, v)
			}
			continue
		}
		vault, _, _ := strings.Cut(m[1], ".")
		value, ok := secrets[vault+"/"+m[2]]
		if !ok && d.params["oktaApiToken"] != "" {
			t.Errorf("%s refers to a secret that is not made: %s", name, v)
		}
		settings[name] = value
	}
}
