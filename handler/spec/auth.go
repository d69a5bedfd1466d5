package spec

// Auth says how requests are authenticated.
type Auth struct {
	Type          string            `yaml:"type" required:"true" enum:"none|api_key|bearer|basic|digest|oauth2|azure|jwt|login|signature" doc:"none; api_key: a header, a query parameter, a cookie or a field of the body; bearer: Authorization: Bearer …; basic: user name and password; digest: the same, by challenge (RFC 7616); oauth2: a token that is asked for, used until shortly before it ends, and replaced once when it is refused; azure: a token of Microsoft Entra ID, for the app that client_id and client_secret name, or for Sluice's managed identity; jwt: a token that is signed here; login: a call that answers with a token; signature: a digest of each request."`
	Header        string            `yaml:"header" doc:"api_key, login: name of the header. Default: Authorization."`
	Query         string            `yaml:"query" doc:"api_key, login: name of the query parameter, instead of a header."`
	Cookie        string            `yaml:"cookie" doc:"api_key, login: name of the cookie, instead of a header."`
	Body          string            `yaml:"body" doc:"api_key: field of the body, such as $.auth.key, instead of a header."`
	Prefix        string            `yaml:"prefix" doc:"api_key, login, jwt, oauth2: word before the key or token, such as SSWS. Default: Bearer for tokens in the header Authorization."`
	Value         string            `yaml:"value" doc:"api_key, bearer: the key, as a {placeholder}."`
	Username      string            `yaml:"username" doc:"basic, digest, oauth2 with grant: password, signature: the user, as a {placeholder}."`
	Password      string            `yaml:"password" doc:"basic, digest, oauth2 with grant: password: the password, as a {placeholder}."`
	TokenURL      string            `yaml:"token_url" doc:"oauth2: where tokens are issued: a path below base_url, or an https:// address; both may have a query."`
	Grant         string            `yaml:"grant" enum:"client_credentials|password|refresh_token|authorization_code|jwt_bearer" doc:"oauth2: how a token is asked for. refresh_token: with one that a person has; authorization_code: with one that sluice login gets in a browser; jwt_bearer: with a signed statement (RFC 7523). A refresh token that the provider replaces is kept, sealed. Default: client_credentials."`
	AuthorizeURL  string            `yaml:"authorize_url" doc:"oauth2 with grant: authorization_code: the page on which a person agrees."`
	RefreshToken  string            `yaml:"refresh_token" doc:"oauth2 with grant: refresh_token: the first one, as a {placeholder}."`
	ClientID      string            `yaml:"client_id" doc:"oauth2, azure: the client, as a {placeholder}."`
	ClientSecret  string            `yaml:"client_secret" doc:"oauth2, azure: its secret, as a {placeholder}. azure: without it Sluice's managed identity speaks for the client (workload identity federation)."`
	CredentialsIn string            `yaml:"credentials_in" enum:"body|header|assertion" doc:"oauth2: where the client's credentials go; assertion: none does, a signed statement proves who it is (private_key_jwt). Default: body."`
	Scope         string            `yaml:"scope" doc:"oauth2, azure: scopes, with blanks between them."`
	Tenant        string            `yaml:"tenant" doc:"azure: the tenant, as a {placeholder}. Default: that of the managed identity."`
	Params        map[string]string `yaml:"params" doc:"oauth2: further parameters of the request for a token, such as audience."`
	PrivateKey    string            `yaml:"private_key" doc:"jwt, oauth2 with signed statements: the key in PEM, as a {placeholder}."`
	KeyID         string            `yaml:"key_id" doc:"jwt, oauth2 with signed statements: the key's name, as a {placeholder}."`
	Algorithm     string            `yaml:"algorithm" enum:"RS256|RS384|RS512|PS256|ES256|ES384|HS256|HS512" doc:"jwt, oauth2 with signed statements: how they are signed. Default: RS256."`
	Claims        map[string]string `yaml:"claims" doc:"jwt, oauth2 with signed statements: what they say: iss, sub, aud and others; iat, exp and jti are added."`
	Lifetime      Duration          `yaml:"lifetime" doc:"jwt, login, oauth2: how long a token is used when the answer does not say. Default: 10m."`
	Login         *Login            `yaml:"login" doc:"login: the call."`
	Sign          *Sign             `yaml:"sign" doc:"signature: what is signed, and how."`
	Certificate   string            `yaml:"certificate" doc:"Any type: the client's certificate in PEM, as a {placeholder}."`
	CertKey       string            `yaml:"certificate_key" doc:"Any type: its private key in PEM, as a {placeholder}."`
}

// Login is a call that answers with a token or a session.
type Login struct {
	Request     Request `yaml:"request" required:"true" doc:"The call, with the credentials."`
	Token       string  `yaml:"token" doc:"Where the answer has the token, such as $.token."`
	TokenHeader string  `yaml:"token_header" doc:"The response header that has it."`
	TokenCookie string  `yaml:"token_cookie" doc:"The cookie that has it."`
	Expires     string  `yaml:"expires" doc:"Where the answer has the seconds for which it is valid, such as $.expires_in."`
}

// Sign says how requests are signed: a text is made of each, its HMAC is {sign.result}
// in the headers. The text and the headers may have {sign.date}, {sign.method},
// {sign.scheme}, {sign.host}, {sign.path}, {sign.query} (sorted by name),
// {sign.target} (path and query), {sign.body_hash} and {sign.nonce}.
type Sign struct {
	Algorithm string            `yaml:"algorithm" required:"true" enum:"hmac-sha1|hmac-sha256|hmac-sha512" doc:"The function."`
	Key       string            `yaml:"key" required:"true" doc:"The key, as a {placeholder}."`
	Derive    string            `yaml:"derive" doc:"The key that signs is the HMAC of this text, in the encoding. Default: it is the key itself."`
	Date      string            `yaml:"date" doc:"Format of {sign.date}: rfc1123, or one of those of {window.from:…}. Default: rfc1123."`
	Text      string            `yaml:"text" required:"true" doc:"The text that is signed."`
	Encoding  string            `yaml:"encoding" enum:"hex|base64" doc:"How {sign.result} and {sign.body_hash} are written. Default: hex."`
	BodyHash  string            `yaml:"body_hash" enum:"sha1|sha256|sha512" doc:"The function of {sign.body_hash}; of no body it is empty. Default: sha256."`
	Headers   map[string]string `yaml:"headers" doc:"Headers to set. With auth.username, that and {sign.result} are sent as Basic too."`
}

// tokens reports whether requests carry a token that can be replaced.
func (a *Auth) tokens() bool {
	return a.Type == "oauth2" || a.Type == "azure" || a.Type == "login" || a.Type == "jwt"
}

// asserts reports whether signed statements are made.
func (a *Auth) asserts() bool {
	return a.Type == "jwt" || a.Grant == "jwt_bearer" || a.CredentialsIn == "assertion"
}
