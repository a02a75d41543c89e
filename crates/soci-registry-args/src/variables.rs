//! The environment variables of registries that no option sets.

use soci_cli::Variable;

/// The variables that concern credentials, proxies and AWS.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "SOCI_USERNAME, SOCI_PASSWORD",
        help: "User name and password for the registry",
    },
    Variable {
        name: "SOCI_REGISTRY",
        help: "Registry that SOCI_USERNAME and SOCI_PASSWORD are for, such as registry.example:5000; if \
               not set, that of the image, and for soci-push that of the destination",
    },
    Variable {
        name: "REGISTRY_AUTH_FILE",
        help: "File with credentials, if --authfile names none",
    },
    Variable {
        name: "XDG_RUNTIME_DIR",
        help: "Directory in which podman and skopeo store their logins",
    },
    Variable {
        name: "DOCKER_CONFIG",
        help: "Directory of Docker's config.json [default: ~/.docker]",
    },
    Variable {
        name: "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY",
        help: "URL of the proxy for HTTPS, for HTTP, or for both, such as http://proxy.example:3128",
    },
    Variable {
        name: "NO_PROXY",
        help: "Hosts that are reached without a proxy, such as registry.example,10.0.0.0/8",
    },
    Variable {
        name: "SSL_CERT_FILE, SSL_CERT_DIR",
        help: "Certificates of authorities to trust instead of the system's",
    },
    Variable {
        name: "AWS_REGION",
        help: "Region, if the registry's host name does not contain it; those of ECR do",
    },
    Variable {
        name: "AWS_PROFILE",
        help: "Profile in ~/.aws/config and ~/.aws/credentials",
    },
    Variable {
        name: "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
        help: "AWS credentials; every other source of the AWS SDKs works as well",
    },
];
