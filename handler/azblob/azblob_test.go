package azblob

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/testkit"
)

func TestStoreByConnectionString(t *testing.T) {
	conn := testkit.AzuriteConnectionString(testkit.Azurite(t))
	open := func(t *testing.T) engine.Store {
		s, err := OpenConnectionString(t.Context(), conn, "sluice")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	testkit.StoreSuite(t, open, func(t *testing.T, name string, newest int64, data []byte) {
		s := open(t).(*Store)
		if data == nil {
			if err := s.Delete(t.Context(), slotName(name, newest)); err != nil {
				t.Fatal(err)
			}
			return
		}
		_, err := s.c.NewBlockBlobClient(slotName(name, newest)).UploadBuffer(t.Context(), data, &blockblob.UploadBufferOptions{
			Metadata: map[string]*string{"generation": to.Ptr(strconv.FormatInt(newest, 10))},
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a blob without its number counts as the oldest", func(t *testing.T) {
		s := open(t).(*Store)
		for i := range 3 {
			if err := s.Append(t.Context(), "lost/number", int64(i), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.c.NewBlockBlobClient(slotName("lost/number", 3)).UploadBuffer(t.Context(), []byte("?"), nil); err != nil {
			t.Fatal(err)
		}
		gens, err := open(t).Generations(t.Context(), "lost/number")
		if err != nil || gens[0].Number != 2 || gens[2].Number != 0 {
			t.Errorf("generations %v, %v", gens, err)
		}
	})
}

func TestABadConnectionStringIsNotPrinted(t *testing.T) {
	_, err := OpenConnectionString(t.Context(), "AccountName=x;AccountKey=s3cret", "sluice")
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error: %v", err)
	}
}

func TestAnAddressThatIsNoContainers(t *testing.T) {
	for _, at := range []string{"htps://acme.blob.core.windows.net/sluice", "http://acme.example/sluice", "acme.blob.core.windows.net/sluice", "https://acme.blob.core.windows.net/", "https:///sluice", "https://acme.example/sluice?sig=s3cret", "::"} {
		_, err := Open(t.Context(), at, nil, nil)
		if err == nil || !strings.Contains(err.Error(), "https://ACCOUNT.blob.core.windows.net/sluice") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// TestStoreByManagedIdentity runs Azurite with TLS and tokens, and gives the
// identity's tokens as App Service does.
func TestStoreByManagedIdentity(t *testing.T) {
	cert, key, pool := certificate(t)
	endpoint := testkit.Azurite(t, "--oauth", "basic", "--cert", cert, "--key", key)
	identity := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-IDENTITY-HEADER") != "let-me-in" || r.URL.Query().Get("resource") == "" {
			t.Errorf("token request %s", r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"expires_on":"%d","resource":"https://storage.azure.com","token_type":"Bearer"}`, token(), time.Now().Add(time.Hour).Unix())
	}))
	defer identity.Close()
	t.Setenv("IDENTITY_ENDPOINT", identity.URL)
	t.Setenv("IDENTITY_HEADER", "let-me-in")
	cred, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		t.Fatal(err)
	}
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	if _, err := Open(t.Context(), "https://"+endpoint+"/sluice", cred, trusting); err == nil || !strings.Contains(err.Error(), endpoint+"/sluice") || !strings.Contains(err.Error(), "there is no such container") {
		t.Errorf("a container that is not there: %v", err)
	}
	c, err := container.NewClient("https://"+endpoint+"/sluice", cred, &container.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: trusting}})
	if err == nil {
		_, err = c.Create(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), "https://"+endpoint+"/sluice", cred, trusting)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), "doc", 0, []byte("by identity")); err != nil {
		t.Fatal(err)
	}
	gens, err := s.Generations(t.Context(), "doc")
	if err != nil || len(gens) != 1 || string(gens[0].Data) != "by identity" {
		t.Errorf("generations %v, %v", gens, err)
	}
}

// token is a JWT as Azurite's basic check wants it: it looks at the claims and
// not at the signature.
func token() string {
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	now := time.Now().Unix()
	return part(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + part(map[string]any{
		"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
		"iat": now - 60, "nbf": now - 60, "exp": now + 3600, "oid": "00000000-0000-0000-0000-000000000001",
	}) + ".c2lnbmF0dXJl"
}

// certificate makes one for 127.0.0.1 and returns its files and a pool that trusts it.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err2 := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	kder, err3 := x509.MarshalECPrivateKey(k)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err4 := os.WriteFile(cert, certPEM, 0o600)
	err5 := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kder}), 0o600)
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, pool
}
