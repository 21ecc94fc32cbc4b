# The image of the action. It runs the deploy and check commands of a plan, so it has what those mostly need; it stays
# root because the workspace that GitHub mounts belongs to another user.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -o /breakwater \
  -ldflags "-s -w -X github.com/breakwater-ci/breakwater/core/command.release=$VERSION" .

FROM debian:bookworm-slim
# For the same reason git must not mind whose the workspace is.
RUN apt-get -qq update \
 && apt-get -qq install -y --no-install-recommends bash ca-certificates curl git jq openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && git config --system safe.directory '*'
COPY --from=build /breakwater /usr/local/bin/breakwater
ENTRYPOINT ["/usr/local/bin/breakwater"]
