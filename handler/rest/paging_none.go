package rest

// onePage is all that there is.
type onePage struct{}

func newOnePage(*pager, *paths) pages { return onePage{} }

func (onePage) first() string { return "" }

func (onePage) scope(sc *scope, token string) (*scope, error) {
	return sc.with("page.token", token), nil
}

func (onePage) next(*reply) (string, error) { return "", nil }
