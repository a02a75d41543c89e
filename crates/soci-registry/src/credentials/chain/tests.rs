//! The order of the sources, and what each that needs no other program answers.

use std::fs;

use tempfile::tempdir;

use super::*;
use crate::secret::Secret;

/// The sources of `r.example`. User name and password are for `owner`, if it is known.
pub(crate) fn chain(environment: Environment, owner: Option<&str>) -> CredentialChain {
    let password_registry = PasswordRegistry::default();
    if let Some(owner) = owner {
        password_registry.claim(owner);
    }
    let (options, owner) = (ClientOptions::default(), Arc::new(password_registry));
    CredentialChain::new("r.example", &options, environment, owner, None)
}

fn variables(username: Option<&str>, password: Option<&str>) -> Environment {
    Environment {
        username: username.map(str::to_owned),
        password: password.map(|password| Secret::new(password.to_owned())),
        ..Environment::default()
    }
}

#[test]
fn sources_are_tried_from_the_named_file_to_none() {
    let environment = Environment {
        authfile: Some("/named".into()),
        docker_config: Some("/docker".into()),
        home: Some("/home".into()),
        runtime: Some("/run".into()),
        ..Environment::default()
    };
    let (named, docker) = (
        PathBuf::from("/named"),
        PathBuf::from("/docker/config.json"),
    );
    let podman = PathBuf::from("/run/containers/auth.json");
    let expected = [
        Source::HostHelper(named.clone()),
        Source::Entry(named.clone()),
        Source::DefaultHelper(named),
        Source::Variables,
        Source::HostHelper(docker.clone()),
        Source::HostHelper(podman.clone()),
        Source::Entry(docker.clone()),
        Source::DefaultHelper(docker),
        Source::Entry(podman.clone()),
        Source::DefaultHelper(podman.clone()),
        Source::Anonymous,
    ];
    let chain_of_all = chain(environment.clone(), None);
    assert_eq!(chain_of_all.registry(), "r.example");
    assert_eq!(chain_of_all.sources(), expected);
    // A file is tried once.
    let named_podman = Environment {
        authfile: Some(podman),
        docker_config: None,
        home: None,
        ..environment
    };
    let sources = chain(named_podman, None).sources();
    assert_eq!(sources.len(), 5, "{sources:?}");
}

#[test]
fn docker_reads_the_home_directory_by_default() {
    let environment = Environment {
        home: Some("/home".into()),
        ..Environment::default()
    };
    let files = chain(environment, None).default_files();
    assert_eq!(files, [PathBuf::from("/home/.docker/config.json")]);
}

#[test]
fn a_stored_password_is_not_renewed() {
    let path = PathBuf::from("/file");
    let sources = [
        (Source::HostHelper(path.clone()), (true, true)),
        (Source::Entry(path.clone()), (false, true)),
        (Source::DefaultHelper(path), (true, true)),
        (Source::Variables, (false, false)),
        (Source::Aws, (true, false)),
        (Source::Anonymous, (false, false)),
    ];
    for (source, expected) in sources {
        let found = (source.is_renewable(), source.is_stored());
        assert_eq!(found, expected, "{source:?}");
    }
}

/// Returns what the variables give: a label, why they give nothing, or the error.
fn read(environment: Environment, owner: Option<&str>) -> String {
    match chain(environment, owner).read_variables() {
        Ok(Answer::Found(found)) => found.label,
        Ok(Answer::Nothing(line)) => line.unwrap_or_default(),
        Ok(other) => panic!("{other:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn user_name_and_password_are_for_one_registry() {
    let (user, password) = (Some("user"), Some("canary"));
    let (own, other) = (Some("r.example"), Some("b.example"));
    assert_eq!(read(variables(user, password), own), VARIABLES);
    let not_set = "SOCI_USERNAME and SOCI_PASSWORD: not set";
    assert_eq!(read(variables(None, None), own), not_set);
    for environment in [variables(user, password), variables(user, None)] {
        let line = "SOCI_USERNAME and SOCI_PASSWORD: only for `b.example`";
        assert_eq!(read(environment.clone(), other), line);
        let line = "SOCI_USERNAME and SOCI_PASSWORD: not for this registry";
        assert_eq!(read(environment, None), line);
    }
    let error = read(variables(user, None), own);
    assert!(error.starts_with("`SOCI_USERNAME` is set"), "{error}");
    let error = read(variables(None, password), own);
    assert!(error.starts_with("`SOCI_PASSWORD` is set"), "{error}");
}

#[test]
fn the_registry_of_withheld_variables_is_asked_for() {
    let (user, password) = (Some("user"), Some("canary"));
    let hint = |user, password, owner| chain(variables(user, password), owner).variables_hint();
    let withheld = hint(user, password, Some("b.example")).expect("a hint");
    assert!(withheld.contains("name it in SOCI_REGISTRY"), "{withheld}");
    assert_eq!(hint(user, password, Some("r.example")), None);
    assert_eq!(hint(user, None, Some("b.example")), None);
    assert_eq!(hint(None, password, Some("b.example")), None);
}

/// A file that the user has named must be sound. One of a default place is reported once.
#[tokio::test]
async fn a_file_that_is_missing_or_malformed_fails_only_if_it_was_named() {
    let folder = tempdir().expect("a directory");
    let missing = folder.path().join("missing");
    let malformed = folder.path().join("malformed");
    fs::write(&malformed, "no JSON").expect("a file");
    for path in [&missing, &malformed] {
        let named = Environment {
            authfile: Some(path.clone()),
            ..Environment::default()
        };
        let (named, default) = (chain(named, None), chain(Environment::default(), None));
        let entry = Source::Entry(path.clone());
        let helper = Source::HostHelper(path.clone());
        for source in [&entry, &helper] {
            let error = named.ask_file(source, path).await.expect_err("no file");
            assert!(error.to_string().contains(&path.display().to_string()));
        }
        let reported = match default.ask_file(&entry, path).await.expect("an answer") {
            Answer::Nothing(line) => line.expect("a line"),
            Answer::Failed(problem) => problem.line,
            other => panic!("{other:?}"),
        };
        let ending = if path == &missing { ": not found" } else { "" };
        assert!(reported.ends_with(ending), "{reported}");
        assert!(reported.contains(&path.display().to_string()), "{reported}");
        let silent = default.ask_file(&helper, path).await.expect("an answer");
        assert!(matches!(silent, Answer::Nothing(None)), "{silent:?}");
    }
}
